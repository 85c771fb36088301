"""The MicroScopiQ study: perplexity of small language models at measured bits (after ISCA 2025)."""
