"""What processes of ours share: a codec for messages, pipes, the signals that end them."""
