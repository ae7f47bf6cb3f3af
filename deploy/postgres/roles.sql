-- Run once, when the data directory is new: the processes do not connect as a superuser.
-- `migrate` needs no more than this to make each service's role and schema.
\set password `cat /run/secrets/database_password`
CREATE ROLE quintant LOGIN CREATEROLE PASSWORD :'password';
ALTER DATABASE quintant OWNER TO quintant;
