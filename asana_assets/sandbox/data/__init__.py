"""The objects behind one access token: stored, created, changed, generated. Nothing here knows about HTTP.

`organization` is the facade, `scenario` builds one, `tables` lists the objects that each endpoint's table must contain.
"""
