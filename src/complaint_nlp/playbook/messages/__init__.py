"""What is said to the customer: first reply, letter, word on the progress, and the question whether it is solved."""
