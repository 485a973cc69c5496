ALTER TABLE `sessions` ADD `visit_started_at` integer;--> statement-breakpoint
ALTER TABLE `sessions` ADD `visit_ended_at` integer;