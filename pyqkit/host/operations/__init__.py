"""Operations of the host, one file for each kind."""
