-- Whether a node expects no other one: its limits are its own.
ALTER TABLE node ADD COLUMN alone boolean NOT NULL DEFAULT false;
