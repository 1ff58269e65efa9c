"""The challenge's server: its scoring program, a rehearsal of it at home, bundles to host it.

`score.py`, `program.py` and `page.py` run on the server, with numpy and Pillow alone; all else is
for the organiser's and the participant's own machine.
"""
