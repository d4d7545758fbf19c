"""A run on HoneyHive: what it is told, what it has been told already, and how the rest gets there.

The run's own files hold everything: the run file what became of the datapoints, the spans file what they did. What is
sent is made of those two alone, while the run goes on and at any time after it, and the ledger beside them says what
has arrived. So nothing is lost where the platform is down, and nothing is sent twice.
"""
