"""Everything that is asked or sent over HTTP: one client (``client``), one way of delivering (``delivery``)."""
