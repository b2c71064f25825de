"""What two kinds of HTML report share: the page, its style, numbers as text.

Rule: a page allows nothing but its own style and scripts, and needs no network. Read `sheet`.
"""
