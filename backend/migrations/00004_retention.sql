-- Finding what is past its retention without reading everything else.

CREATE INDEX device_sessions_over ON device_sessions (revoked_at) WHERE status = 'revoked';
CREATE INDEX auth_links_by_end ON auth_links (expires_at);
