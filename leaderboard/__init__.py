"""The judge: scores submission files against private answers and ranks teams. It alone opens the answers.

Start reading at `judge.judge` (one file becomes an entry) and `board.read` (entries become a ranking). `database` holds
the tables. `web.app` is a team's server, with `queue` (received files) and `scorer` (the process that scores them).
"""
