CREATE TABLE `webhook_endpoints` (
	`endpoint_id` text PRIMARY KEY NOT NULL,
	`url` text NOT NULL,
	`description` text,
	`events` text NOT NULL,
	`include` text NOT NULL,
	`secret_sealed` text NOT NULL,
	`former_sealed` text,
	`former_until` integer,
	`state` text NOT NULL,
	`cause` text,
	`position` integer NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
