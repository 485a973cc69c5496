CREATE TABLE `revocation_totals` (
	`seq` integer PRIMARY KEY NOT NULL,
	`pending` integer DEFAULT 0 NOT NULL,
	`delivered` integer DEFAULT 0 NOT NULL,
	`rejected` integer DEFAULT 0 NOT NULL,
	`failed` integer DEFAULT 0 NOT NULL,
	`superseded` integer DEFAULT 0 NOT NULL,
	`closed` integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
INSERT INTO `revocation_totals` (`seq`, `pending`, `delivered`, `rejected`, `failed`, `superseded`, `closed`)
	SELECT `seq`, sum(`state` = 'pending'), sum(`state` = 'delivered'), sum(`state` = 'rejected'), sum(`state` = 'failed'), sum(`state` = 'superseded'), sum(`state` = 'closed')
	FROM `deliveries` WHERE `seq` IS NOT NULL GROUP BY `seq`;
