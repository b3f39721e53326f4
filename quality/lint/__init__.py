"""What is wrong with a photo before anything is made from it: measures, advice and a grade."""
