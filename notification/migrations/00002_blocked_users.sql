-- What is meant for a blocked account is skipped for a reason of its own.

ALTER TABLE routes DROP CONSTRAINT routes_skip_reason_check;
ALTER TABLE routes ADD CONSTRAINT routes_skip_reason_check
    CHECK (skip_reason IN ('user_deleted', 'user_blocked', 'email_off', 'no_address', 'no_admin_address'));
