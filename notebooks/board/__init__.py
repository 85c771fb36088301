"""Notebooks for the board; `pynq get-notebooks pyqkit` delivers them."""
