"""The contracts between services: what each message says, and on which topic it travels.

Adding an optional field is allowed; anything else is a new event type. One golden JSON per event in
`tests/contracts/golden` is read by the tests of both its producer and its consumer.
"""
