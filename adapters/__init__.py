"""What the outside speaks: channels that pay in, cores that book, and the words of payment they share."""
