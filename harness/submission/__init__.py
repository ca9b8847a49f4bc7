"""What is handed in: the judge's file, the official files, a leaderboard server, Kaggle."""
