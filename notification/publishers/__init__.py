"""Publishers: hand claimed routes to the stream of their channel, and say what the stream answered."""
