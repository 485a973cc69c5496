CREATE TABLE `registry` (
	`id` integer PRIMARY KEY NOT NULL,
	`version` integer NOT NULL
);
