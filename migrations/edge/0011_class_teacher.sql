-- Who teaches a class now. Every page of a teacher asks this; it is said once, here.
CREATE VIEW class_teacher AS
SELECT scope_id AS class_group_id, person_id
  FROM role_assignment
 WHERE role       = 'teacher'
   AND scope_kind = 'class_group'
   AND deleted_at_ms IS NULL;
