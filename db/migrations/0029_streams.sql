CREATE TABLE `streams` (
	`stream_id` text PRIMARY KEY NOT NULL,
	`client_id` text NOT NULL,
	`method` text NOT NULL,
	`endpoint_url` text,
	`authorization_sealed` text,
	`events_requested` text NOT NULL,
	`description` text,
	`status` text NOT NULL,
	`status_reason` text,
	`status_by` text NOT NULL,
	`verified_at` integer,
	`asked_at` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `streams_by_client` ON `streams` (`client_id`);