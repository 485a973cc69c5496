-- The outbox: a delivery has a kind and a priority, and need not belong to a revocation. A delivery that a newer one covers closes at once.
PRAGMA foreign_keys=OFF;--> statement-breakpoint
CREATE TABLE `__new_deliveries` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text DEFAULT 'logout_token' NOT NULL,
	`seq` integer,
	`client_id` text NOT NULL,
	`target_id` text NOT NULL,
	`sid` text,
	`sub` text,
	`payload` text,
	`priority` integer DEFAULT 0 NOT NULL,
	`state` text NOT NULL,
	`attempts` integer NOT NULL,
	`created_at_ms` integer NOT NULL,
	`next_attempt_at_ms` integer NOT NULL,
	`leased_until_ms` integer DEFAULT 0 NOT NULL,
	`settled_at_ms` integer,
	`superseded_by` text,
	`last_status` integer,
	`last_error` text
);
--> statement-breakpoint
INSERT INTO `__new_deliveries` (`id`, `kind`, `seq`, `client_id`, `target_id`, `sid`, `sub`, `payload`, `priority`, `state`, `attempts`, `created_at_ms`, `next_attempt_at_ms`, `leased_until_ms`, `settled_at_ms`, `superseded_by`, `last_status`, `last_error`)
	SELECT d.`id`, 'logout_token', d.`seq`, d.`client_id`, d.`target_id`, d.`sid`, d.`sub`, NULL, CASE WHEN r.`kind` IN ('client', 'tenant', 'everything') THEN 1 WHEN r.`actor_id` = 'sweep-expired' THEN 2 ELSE 0 END, CASE WHEN d.`superseded_by` IS NOT NULL AND d.`state` <> 'delivered' THEN 'superseded' ELSE d.`state` END, d.`attempts`, d.`created_at_ms`, d.`next_attempt_at_ms`, d.`leased_until_ms`, CASE WHEN d.`superseded_by` IS NOT NULL THEN coalesce(d.`settled_at_ms`, d.`created_at_ms`) ELSE d.`settled_at_ms` END, d.`superseded_by`, d.`last_status`, d.`last_error`
	FROM `deliveries` d LEFT JOIN `revocations` r ON r.`seq` = d.`seq` ORDER BY d.rowid;--> statement-breakpoint
DROP TABLE `deliveries`;--> statement-breakpoint
ALTER TABLE `__new_deliveries` RENAME TO `deliveries`;--> statement-breakpoint
PRAGMA foreign_keys=ON;--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_by_sid` ON `deliveries` (`sid`,`target_id`,`seq`) WHERE sid IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_by_sub` ON `deliveries` (`sub`,`target_id`,`seq`) WHERE sub IS NOT NULL;--> statement-breakpoint
CREATE INDEX `deliveries_by_seq` ON `deliveries` (`seq`);--> statement-breakpoint
CREATE INDEX `deliveries_by_state` ON `deliveries` (`state`,`client_id`,`created_at_ms`);--> statement-breakpoint
CREATE INDEX `deliveries_due_by_target` ON `deliveries` (`target_id`,`priority`,`next_attempt_at_ms`,`created_at_ms`,`state`) WHERE state = 'pending';--> statement-breakpoint
CREATE INDEX `deliveries_due_by_revocation` ON `deliveries` (`target_id`,`seq`,`next_attempt_at_ms`) WHERE state = 'pending' AND priority = 1;--> statement-breakpoint
CREATE INDEX `deliveries_settled` ON `deliveries` (`settled_at_ms`) WHERE settled_at_ms IS NOT NULL;--> statement-breakpoint
DELETE FROM `delivery_counts`;--> statement-breakpoint
INSERT INTO `delivery_counts` (`client_id`, `state`, `count`) SELECT `client_id`, `state`, count(*) FROM `deliveries` GROUP BY `client_id`, `state`;
