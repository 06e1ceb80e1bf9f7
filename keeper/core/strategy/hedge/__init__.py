"""The hedge ladder: which options to hold around the layers of liquidity, and when to buy them."""
