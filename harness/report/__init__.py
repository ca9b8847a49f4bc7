"""The pages: a run (`run_report`), a search (`search_report`), and whether A is better than B (`comparison`)."""
