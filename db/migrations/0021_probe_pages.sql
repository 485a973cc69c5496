CREATE TABLE `probe_hands` (
	`tid` text PRIMARY KEY NOT NULL,
	`place` integer NOT NULL,
	`sid` text NOT NULL,
	`moved_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `probe_pages` (
	`id` text PRIMARY KEY NOT NULL,
	`tid` text NOT NULL,
	`place` integer NOT NULL,
	`sid` text NOT NULL,
	`to_place` integer NOT NULL,
	`to_sid` text NOT NULL,
	`leased_until_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `probe_pages_by_lease` ON `probe_pages` (`tid`,`leased_until_ms`);