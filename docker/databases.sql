-- PostgreSQL runs this once, on an empty volume; the database `airflow` is there already.
CREATE DATABASE catalog;
CREATE DATABASE mlflow;
