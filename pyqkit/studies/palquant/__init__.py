"""PalQuant trained beside what it is compared with: as good as 4 bits, and does the shuffle help?"""
