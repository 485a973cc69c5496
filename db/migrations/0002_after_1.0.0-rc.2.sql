ALTER TABLE `floors` ADD `authenticated_after` integer DEFAULT 0 NOT NULL;
