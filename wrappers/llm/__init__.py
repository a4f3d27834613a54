"""What a language model, or anybody, may say about a reward: texts that are read as data and never run."""
