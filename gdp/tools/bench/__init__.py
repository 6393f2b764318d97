"""`gdp bench`: times, memory and sizes of teacher, slow route and student, each in a process of its own, in turns."""
