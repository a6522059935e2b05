"""Which column of a school's rows names which table, as the box's schema has it.

The hub itself has no foreign keys. A test compares this list with the box's.
"""

from typing import Final

# child, column, parent
REFERENCES: Final = (
    ("org_unit", "parent_id", "org_unit"),
    ("person", "org_id", "org_unit"),
    ("role_assignment", "person_id", "person"),
    ("class_group", "org_id", "org_unit"),
    ("class_member", "class_group_id", "class_group"),
    ("class_member", "person_id", "person"),
    ("course", "org_id", "org_unit"),
    ("course_version", "course_id", "course"),
    ("module", "course_version_id", "course_version"),
    ("lesson", "module_id", "module"),
    ("section", "lesson_id", "lesson"),
    ("course_run", "org_id", "org_unit"),
    ("course_run", "course_version_id", "course_version"),
    ("course_run", "class_group_id", "class_group"),
    ("enrolment", "course_run_id", "course_run"),
    ("enrolment", "person_id", "person"),
    ("progress_fact", "enrolment_id", "enrolment"),
    ("progress_fact", "section_id", "section"),
    ("progress_fact", "person_id", "person"),
    ("assessment", "course_run_id", "course_run"),
    ("submission", "assessment_id", "assessment"),
    ("submission", "person_id", "person"),
    ("submission_revision", "submission_id", "submission"),
    ("submission_revision", "person_id", "person"),
    ("grade", "submission_id", "submission"),
    ("grade", "person_id", "person"),
    ("grade", "by_person_id", "person"),
    ("attachment", "submission_revision_id", "submission_revision"),
    ("attachment", "person_id", "person"),
)
