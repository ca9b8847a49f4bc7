"""The judge: scores submission files against private answers and ranks teams. It alone opens the answers.

Start reading at `judge.judge` (one file becomes an entry) and `board.read` (entries become a ranking); whatever is
decided goes through `decisions.decide` into a ledger, which the database follows. A team's server
is `server.app`, with `inbox` (files that were received) and `scorer` (the process that scores them) below it.
"""
