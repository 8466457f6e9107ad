"""Reading what happens: recordings, and the pages made of them."""
