"""The program that scores on the server, with numpy and Pillow alone, and the page it writes."""
