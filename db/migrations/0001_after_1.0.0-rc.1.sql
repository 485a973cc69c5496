CREATE INDEX `security_events_reported` ON `security_events` (`at`) WHERE kind = 'reported';
