"""Looks through a folder of media: a whole job on logd's Python API, to watch and to test with.

A walk puts every file on the board at once. Workers then find out about each: of media the title, author, duration and
bit rate, by `ffprobe`, and of other files the size and type. ^C ends it with a board that says what was done.
"""
