CREATE TABLE `microsoft_work` (
	`kind` text NOT NULL,
	`tid` text NOT NULL,
	`oid` text NOT NULL,
	`generation` integer NOT NULL,
	`attempts` integer NOT NULL,
	`state` text NOT NULL,
	`asked_at_ms` integer NOT NULL,
	`next_at_ms` integer NOT NULL,
	`last_error` text,
	PRIMARY KEY(`kind`, `tid`, `oid`)
);
--> statement-breakpoint
CREATE INDEX `microsoft_work_due` ON `microsoft_work` (`next_at_ms`) WHERE state = 'owed';--> statement-breakpoint
DROP INDEX `sessions_open_by_probe`;--> statement-breakpoint
ALTER TABLE `sessions` ADD `probe_phase` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `sessions_to_probe` ON `sessions` (`tid`,`probe_phase`,`sid`) WHERE ended_seq IS NULL AND microsoft_cache_sealed IS NOT NULL;