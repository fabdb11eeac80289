"""Stand-in of the production technical-analysis job: PyFlink, semantics of profile S."""
