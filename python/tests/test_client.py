import os
import unittest

import numpy as np
from site_of_tests import Site

from fedlink import safetensors
from fedlink.flare._difference import difference

OWN = """
from fedlink.client import tasks
for task in tasks():
"""


class OwnTrainers(unittest.TestCase):
    def test_who_goes_on_from_a_stopped_task_has_answered(self) -> None:
        body = """
    task.progress(1.0000000000000002)
    while task.name == "slow" and task.stopped is None: pass
    if task.stopped is not None: continue
    task.done()
"""
        with Site("-c", OWN + body) as site:
            site.give("1", task="slow")
            self.assertEqual(site.hear(), {"say": "progress", "id": "1", "done": 1.0})
            site.say("stop", id="1", why="not wanted")
            self.assertEqual(site.hear(), {"say": "failed", "id": "1", "text": "Stopped"})
            self.assertEqual(site.run("2")["say"], "result")

    def test_a_task_whose_file_cannot_be_read_is_told(self) -> None:
        with Site("-c", OWN + "    task.done()") as site:
            with open(os.path.join(site.folder, "1.in"), "wb") as file:
                file.write(b"broken")
            site.give("1", file="1.in")
            failed = site.result()
            self.assertEqual((failed["say"], failed["id"]), ("failed", "1"))
            self.assertIn("shorter than the length of its header", failed["text"])

    def test_a_line_that_means_nothing_ends_the_program(self) -> None:
        with Site("-c", OWN + "    task.done()") as site:
            site._connection.sendall(b"broken\n")
            self.assertEqual(site.wait()[0], 0)


class Arrays(unittest.TestCase):
    def test_a_difference_that_leaves_its_range_is_refused(self) -> None:
        for new, original in ((100, -100), (-100, 100)):
            with self.assertRaisesRegex(RuntimeError, "leaves their range"):
                difference({"w": np.array([original], "i1")}, {"w": np.array([new], "i1")})
        less = difference({"w": np.array([-3, 3], "i1")}, {"w": np.array([3, -3], "i1")})
        self.assertEqual(less["w"].tolist(), [6, -6])

    def test_no_array_has_more_dimensions_than_numpy(self) -> None:
        described = {"dtype": "U8", "shape": [3] * 65, "data_offsets": [0, 1]}
        with self.assertRaisesRegex(safetensors.FormatError, "65 dimensions, more than 64"):
            safetensors._place("w", described)


if __name__ == "__main__":
    unittest.main()
