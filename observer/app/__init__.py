"""
Puts the house together. The only package that names concrete classes.

They are imported inside the factories, so that a command loads only what it uses: ``check`` and ``--help`` load no
Kubernetes client. Here stands what commands ask for; ``cluster_access`` makes what writes, ``sources`` what looks,
``notifications`` who hears of it, ``web`` the page and the webhook, ``daemon`` the whole.
"""
