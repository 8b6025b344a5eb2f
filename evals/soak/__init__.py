"""The whole product for half an hour under users who ask, leave and come back, while its engine is killed now and then.

`python -m evals.soak` says at the end whether memory is flat, whether anything is stuck, and how every turn ended.
"""
