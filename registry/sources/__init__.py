"""Where blocks and consents come from: the registry's own rows, and services of others that are asked.

Every source answers the same shape (`shapes.py`). One that does not answer is no empty answer: while a service is
away, data of other care providers are closed, and data of the own unit are open with a line in the log and a banner.
"""
