DROP INDEX `sessions_open_by_deadline`;--> statement-breakpoint
CREATE INDEX `sessions_open_by_deadline` ON `sessions` (`deadline_at`,`sid`) WHERE ended_seq IS NULL;