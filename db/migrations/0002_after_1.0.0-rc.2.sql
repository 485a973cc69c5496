CREATE TABLE `accepted_sign_ins` (
	`at` integer NOT NULL,
	`tid` text NOT NULL,
	`client_id` text NOT NULL,
	`count` integer NOT NULL,
	PRIMARY KEY(`at`, `tid`, `client_id`)
);
--> statement-breakpoint
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
CREATE TABLE `rejected_sign_ins` (
	`id` integer PRIMARY KEY NOT NULL,
	`reference` text NOT NULL,
	`at` integer NOT NULL,
	`tid` text NOT NULL,
	`number` integer NOT NULL,
	`oid` text,
	`username` text,
	`client_id` text,
	`reason` text NOT NULL,
	`code` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `rejected_sign_ins_by_reference` ON `rejected_sign_ins` (`reference`);--> statement-breakpoint
CREATE INDEX `rejected_sign_ins_by_time` ON `rejected_sign_ins` (`at`);--> statement-breakpoint
CREATE INDEX `rejected_sign_ins_by_tenant` ON `rejected_sign_ins` (`tid`,`number`);--> statement-breakpoint
CREATE INDEX `rejected_sign_ins_by_user` ON `rejected_sign_ins` (`tid`,`oid`,`id`) WHERE oid IS NOT NULL;--> statement-breakpoint
CREATE TABLE `session_entries` (
	`client_id` text NOT NULL,
	`seq` integer NOT NULL,
	`until` integer NOT NULL,
	PRIMARY KEY(`client_id`, `seq`)
);
--> statement-breakpoint
CREATE INDEX `session_entries_by_end` ON `session_entries` (`until`);--> statement-breakpoint
ALTER TABLE `client_secrets` ADD `used_at` integer;--> statement-breakpoint
ALTER TABLE `codes` ADD `jkt` text;--> statement-breakpoint
ALTER TABLE `families` ADD `jkt` text;--> statement-breakpoint
ALTER TABLE `floors` ADD `authenticated_after` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `guard_leases` ADD `sessions` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `guard_leases` ADD `own_sessions` text;--> statement-breakpoint
ALTER TABLE `guard_leases` ADD `token_seconds` integer;--> statement-breakpoint
ALTER TABLE `guard_leases` ADD `former_tokens_until_ms` integer;--> statement-breakpoint
ALTER TABLE `guards` ADD `every_seconds` integer;--> statement-breakpoint
ALTER TABLE `guards` ADD `sessions` integer;--> statement-breakpoint
ALTER TABLE `log_head` ADD `sessions_known_to` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `log_head` ADD `sessions_known_from` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `revocations` ADD `sessions_until` integer;--> statement-breakpoint
ALTER TABLE `revocations` ADD `session_clients` text;--> statement-breakpoint
ALTER TABLE `security_events` ADD `done_at` integer;--> statement-breakpoint
ALTER TABLE `sessions` ADD `promised_until` integer;--> statement-breakpoint
CREATE INDEX `sessions_open_by_end` ON `sessions` (`absolute_at`) WHERE ended_seq IS NULL;--> statement-breakpoint
CREATE INDEX `sessions_open_by_promise` ON `sessions` (`promised_until`) WHERE ended_seq IS NULL AND promised_until IS NOT NULL;--> statement-breakpoint
ALTER TABLE `tenants` ADD `help_contact` text;
--> statement-breakpoint
-- A lowered end does not reach the sessions that instances opened by an ID token with the former one.
CREATE TRIGGER `sessions_keep_their_promise` AFTER UPDATE OF `absolute_at` ON `sessions` WHEN NEW.`absolute_at` < OLD.`absolute_at` BEGIN UPDATE `sessions` SET `promised_until` = max(coalesce(OLD.`promised_until`, 0), OLD.`absolute_at`) WHERE `sid` = NEW.`sid`; END;
