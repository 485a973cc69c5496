DROP INDEX `microsoft_work_due`;--> statement-breakpoint
CREATE INDEX `microsoft_work_due` ON `microsoft_work` (`tid`,`next_at_ms`) WHERE state = 'owed';