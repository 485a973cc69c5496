CREATE TABLE `enforcements` (
	`seq` integer NOT NULL,
	`client_id` text NOT NULL,
	`tokens_by` text,
	`tokens_at_ms` integer,
	`sessions_by` text,
	`sessions_at_ms` integer,
	PRIMARY KEY(`seq`, `client_id`)
);
--> statement-breakpoint
ALTER TABLE `floors` ADD `authenticated_after` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `guard_leases` ADD `sessions` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `guard_leases` ADD `own_sessions` text;--> statement-breakpoint
ALTER TABLE `guard_leases` ADD `token_seconds` integer;--> statement-breakpoint
ALTER TABLE `guard_leases` ADD `former_tokens_until_ms` integer;--> statement-breakpoint
CREATE INDEX `guard_leases_of_client` ON `guard_leases` (`client_id`,`last_seq`);
