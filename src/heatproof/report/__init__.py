"""The page: one self-contained HTML file made from plain data, and the table that the terminal prints too.

`contents` is what goes in; `summary` the numbers; `table` the table; `page` the HTML; `picture` a PNG.
"""
