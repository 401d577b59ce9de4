"""What the lesson's pages compute: experiments on little networks, questions with their answers, sources."""
