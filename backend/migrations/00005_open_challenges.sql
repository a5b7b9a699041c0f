-- A code asked for from another network leaves those on their way alone: one open challenge an address and household, so that
-- no stranger voids the code that its owner waits for.

DROP INDEX auth_challenges_open;
CREATE UNIQUE INDEX auth_challenges_open ON auth_challenges (email, ip) WHERE state = 'open';
