"""
The actions: one file each, as data. Whoever has to know something about an action asks here.

Nobody else lists actions: a file here and an actuator of the same name are all that a new one costs, besides its test
and its page.
"""
