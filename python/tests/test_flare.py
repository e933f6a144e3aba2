import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import unittest
from typing import Any

import numpy as np
from site_of_tests import Site, flare

MODEL = {"numpy_key": np.array([1.0, 2.0, 3.0])}

LOOP = """
import numpy as np
import nvflare.client as flare
flare.init()
while flare.is_running():
    m = flare.receive()
"""


def loop(body: str) -> str:
    """A script that does this with each model."""
    return LOOP + textwrap.indent(textwrap.dedent(body), "    ")


class Unmodified(unittest.TestCase):
    def test_a_script_trains_validates_and_submits(self) -> None:
        with flare("plus_one.py") as site:
            self.assertEqual((site.hello["say"], site.hello["versions"]), ("hello", [1]))
            self.assertEqual(site.ready, {"say": "ready"})
            model: Any = MODEL
            for number in (1, 2, 3):
                result = site.run(f"t{number}", model, round=number, rounds=3, kind="full")
                model = result["params"]
                self.assertEqual((result["kind"], result["weight"]), ("full", 2))
            self.assertEqual(model["numpy_key"].tolist(), [4, 5, 6])
            self.assertEqual(site.run("v", model, "validate")["metrics"], {"accuracy": 0.75})
            self.assertEqual(site.run("s", task="submit_model")["params"]["numpy_key"].tolist(), [9, 9, 9])
            self.assertEqual(site.end(), (0, "site site-1, job job-1\n"))

    def test_differences_are_made_for_a_script_that_sends_whole_models(self) -> None:
        with flare("plus_one.py", "--diff") as site:
            result = site.run("1", MODEL, round=1)
            self.assertEqual((result["kind"], result["params"]["numpy_key"].tolist()), ("diff", [1, 1, 1]))

    def test_what_a_script_is_told(self) -> None:
        script = loop("""
            meta = {k: v for k, v in m.meta.items()}
            told = [flare.get_task_name(), m.start_round, m.current_round, m.total_rounds, str(m.params_type),
                    flare.system_info(), flare.get_config()["lr"], meta, flare.is_train(), flare.is_evaluate()]
            flare.send(flare.FLModel(metrics={}, meta={"told": repr(told)}))
        """)
        with flare(script, config={"lr": 0.5}) as site:
            told = site.run("1", MODEL, round=2, rounds=3, kind="diff", headers={"a": "b"})["headers"]["told"]
            ids = {"job_id": "job-1", "site_name": "site-1"}
            system = {"site_name": "site-1", "job_id": "job-1"}
            expected = ["train", 0, 1, 3, "ParamsType.DIFF", system, 0.5, {"a": "b", **ids}, True, False]
            self.assertEqual(told, repr(expected))

    def test_params_may_be_any_value_and_not_arrays_alone(self) -> None:
        value = {"layers": [np.zeros(2), {"rate": 0.5}], "names": ("a", None), 3: b"bytes"}
        with flare(loop("flare.send(flare.FLModel(params=m.params))")) as site:
            back = site.run("1", value)["params"]
            self.assertEqual((back["names"], back[3], back["layers"][1]), (("a", None), b"bytes", {"rate": 0.5}))
            self.assertEqual(back["layers"][0].tolist(), [0, 0])

    def test_who_says_no_weight_counts_as_one(self) -> None:
        with flare(loop("flare.send(flare.FLModel(params=m.params))")) as site:
            self.assertEqual(site.run("1", MODEL)["weight"], 1)

    def test_what_was_sent_is_let_go_unless_the_script_says_otherwise(self) -> None:
        script = loop("""
            answer = flare.FLModel(params=m.params)
            flare.send(answer, clear_cache=False)
            kept = [answer.params is not None, flare.receive() is m]
            from nvflare.client.api import clear
            clear()
            m = flare.receive()
            answer = flare.FLModel(params=m.params)
            flare.send(answer)
            kept += [answer.params is None, m.params is None]
            m = flare.receive()
            flare.send(flare.FLModel(metrics={}, meta={"kept": repr(kept)}))
        """)
        with flare(script) as site:
            site.run("1", MODEL)
            site.run("2", MODEL)
            self.assertEqual(site.run("3", MODEL)["headers"]["kept"], "[True, True, True, True]")

    def test_receive_has_a_timeout(self) -> None:
        script = LOOP.replace("while", "told = flare.receive(timeout=0.01)\nwhile") + (
            "    flare.send(flare.FLModel(metrics={}, meta={'told': repr(told)}))"
        )
        with flare(script) as site:
            import time

            time.sleep(0.5)
            self.assertEqual(site.run("1", MODEL)["headers"]["told"], "None")

    def test_decorated_functions_work(self) -> None:
        script = """
            import nvflare.client as flare
            flare.init()
            @flare.train
            def train(input_model=None, step=1):
                return flare.FLModel(params={k: v + step for k, v in input_model.params.items()})
            @flare.evaluate
            def evaluate(input_model):
                return {"accuracy": 0.5}
            while flare.is_running():
                evaluate()
                train(step=2)
        """
        with flare(textwrap.dedent(script)) as site:
            result = site.run("1", MODEL)
            self.assertEqual(result["metrics"], {"accuracy": 0.5})
            self.assertEqual(result["params"]["numpy_key"].tolist(), [3, 4, 5])

    def test_writers_send_numbers_and_keep_texts(self) -> None:
        script = loop("""
            from nvflare.client.tracking import MLflowWriter, SummaryWriter, WandBWriter
            s, w, f = SummaryWriter(), WandBWriter(), MLflowWriter()
            s.add_scalar("a", np.float32(1.5), global_step=3)
            s.add_scalars("b", {"x": 1, "y": 2.5}); s.flush()
            w.log({"c": 1}, step=4)
            f.log_metric("d", 2, step=5); f.log_metrics({"e": 3})
            f.log_param("p", 1); f.log_params({"q": "r"}); f.set_tag("t", "u"); f.set_tags({"v": 1}); f.log_text("x", "y")
            flare.send(flare.FLModel(metrics={}))
        """)
        with flare(script) as site:
            site.give("1", MODEL)
            said = [site.hear() for _ in range(5)]
            values = [(message["values"], message.get("step")) for message in said]
            expected = [({"a": 1.5}, 3), ({"b/x": 1, "b/y": 2.5}, None), ({"c": 1}, 4), ({"d": 2}, 5), ({"e": 3}, None)]
            self.assertEqual(values, expected)
            site.result()
            code, printed = site.end()
            self.assertEqual((code, len(printed.splitlines())), (0, 5))

    def test_a_stopped_task_has_no_result_and_the_script_goes_on(self) -> None:
        script = loop("""
            import time
            if flare.get_task_name() == "slow":
                time.sleep(0.5)
            flare.send(flare.FLModel(metrics={}, meta={"task": flare.get_task_name()}))
        """)
        with flare(script) as site:
            site.give("1", task="slow")
            site.say("stop", id="1", why="not wanted")
            self.assertEqual(site.result()["say"], "failed")
            self.assertEqual(site.run("2")["headers"]["task"], "train")

    def test_the_words_of_the_script_are_its_own(self) -> None:
        script = "import sys, nvflare.client as flare\nflare.init()\nflare.receive()\n" + (
            "flare.send(flare.FLModel(metrics={}, meta={'argv': repr(sys.argv[1:]), 'name': __name__}))"
        )
        site = flare(script)
        words: list[str] = site.program.args[:]  # type: ignore[index]
        site.__exit__(None, None, None)
        with Site(*words[1:], "--diff", "x") as site:
            headers = site.run("1")["headers"]
            self.assertEqual((headers["argv"], headers["name"]), ("['--diff', 'x']", "__main__"))

    def test_what_cannot_be_a_number_is_left_out_with_one_warning(self) -> None:
        script = loop("""
            from nvflare.client.tracking import SummaryWriter
            writer = SummaryWriter()
            for value in (float("nan"), 10**400, float("inf"), 1.5):
                writer.add_scalar("loss", value, global_step=float("nan"))
            writer.add_scalar("x" * 256, 1)
            metrics = {"a": float("nan"), "b": {"c": 1}, "d": "e", "f": np.float32(0.5), "g": 10**400}
            flare.send(flare.FLModel(metrics=metrics, meta={"h": [1], "i": 2}))
        """)
        with flare(script) as site:
            site.give("1", MODEL)
            self.assertEqual(site.hear(), {"say": "metrics", "values": {"loss": 1.5}})
            result = site.result()
            self.assertEqual((result["metrics"], result["headers"]), ({"f": 0.5}, {"i": "2"}))
            code, printed = site.end()
            self.assertEqual(code, 0)
            for name in ("`loss`", "`xxx", "`a`", "`b`", "`d`", "`g`", "`h`"):
                self.assertEqual(sum(name in line for line in printed.splitlines()), 1, (name, printed))

    def test_the_task_that_makes_the_model_has_round_0(self) -> None:
        with flare(loop("flare.send(flare.FLModel(metrics={}, meta={'r': m.current_round}))")) as site:
            self.assertEqual(site.run("1", round=0)["headers"]["r"], "0")

    def test_another_rank_does_not_connect(self) -> None:
        script = """
            import nvflare.client as flare
            flare.init(rank="1")
            print(flare.get_site_name(), flare.get_job_id(), flare.receive())
        """
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
                listener.listen(1)
                listener.setblocking(False)
                environment = {"FEDLINK_SOCKET": path, "FEDLINK_SITE": "site-1", "FEDLINK_JOB": "job-1"}
                file = os.path.join(folder, "script.py")
                with open(file, "w") as text:
                    text.write(textwrap.dedent(script))
                ended = subprocess.run(
                    [sys.executable, "-m", "fedlink.flare", file],
                    env={**os.environ, **environment},
                    capture_output=True,
                    text=True,
                    timeout=60,
                )
                self.assertEqual((ended.stdout, ended.stderr), ("site-1 job-1 None\n", ""))
                with self.assertRaises(BlockingIOError):
                    listener.accept()

    def test_processes_that_a_script_starts_have_the_same_modules(self) -> None:
        script = """
            import multiprocessing, os, subprocess, sys
            import nvflare
            import nvflare.client as flare
            TELL = "import nvflare, nvflare.client as f; print(nvflare.__version__, f.FLModel.__module__)"
            def tell(queue):
                queue.put(f"{nvflare.__version__} {flare.FLModel.__module__}")
            if __name__ == "__main__":
                told = []
                for method in ("spawn", "forkserver", "fork"):
                    context = multiprocessing.get_context(method)
                    queue = context.Queue()
                    child = context.Process(target=tell, args=(queue,))
                    child.start()
                    child.join()
                    assert child.exitcode == 0, method
                    told.append(queue.get())
                for folder in (".", "/"):
                    said = subprocess.check_output([sys.executable, "-c", TELL], cwd=folder, text=True)
                    told.append(said.strip())
                flare.init()
                flare.receive()
                flare.send(flare.FLModel(metrics={}, meta={"told": " | ".join(told)}))
        """
        with flare(textwrap.dedent(script)) as site:
            expected = " | ".join(["2.9.0+fedlink fedlink.flare._model"] * 5)
            self.assertEqual(site.run("1")["headers"]["told"], expected)

    def test_only_rank_0_speaks(self) -> None:
        script = """
            import nvflare.client as flare
            flare.init(rank="1")
            told = [flare.receive(), flare.is_running(), flare.send(flare.FLModel(metrics={})), flare.system_info()]
            for function in (flare.get_task_name, flare.is_train, flare.is_evaluate, flare.is_submit_model):
                try:
                    function()
                except RuntimeError as error:
                    told.append(str(error))
            context = flare.init(rank=0)
            flare.receive()
            flare.send(flare.FLModel(metrics={}, meta={"told": repr(told)}))
        """
        with flare(textwrap.dedent(script)) as site:
            names = ("get_task_name", "is_train", "is_evaluate", "is_submit_model")
            errors = [f"only rank 0 can call {name}!" for name in names]
            self.assertEqual(site.run("1")["headers"]["told"], repr([None, False, None, {}, *errors]))


class Refusals(unittest.TestCase):
    def told(self, body: str) -> str:
        """How the script fails its first task."""
        with flare(loop(body)) as site:
            failed = site.run("1", MODEL)
            self.assertEqual(failed["say"], "failed", failed)
            code, printed = site.wait()
            self.assertEqual(code, 1)
            self.assertIn("Traceback", printed)
            return str(failed["text"])

    def test_what_cannot_be_sent_is_named(self) -> None:
        for body, problem in [
            ("flare.send(m.params)", "TypeError: model needs to be an instance of FLModel"),
            ("flare.send(flare.FLModel())", "does not have either params or metrics"),
            ("flare.send(flare.FLModel(params={'w': np.array([object()])}))", "TypeError: `w` is an array of objects"),
            ("flare.send(flare.FLModel(params={'w': {'x': flare}}))", "TypeError: `w/x` is of type _Module"),
            (
                "flare.send(flare.FLModel(params={'w': np.ma.array([1, 2], mask=[0, 1])}))",
                "ValueError: `w` is an array with a mask",
            ),
            ("flare.send(flare.FLModel(metrics={}, meta={'a': 'x' * 65536}))", "the headers have 65537 bytes"),
            ("flare.send(flare.FLModel(metrics={}, meta={'NUM_STEPS_CURRENT_ROUND': 0}))", "weight is 0"),
            (
                "flare.send(flare.FLModel(metrics={}, meta={'NUM_STEPS_CURRENT_ROUND': 'x'}))",
                "weight must be a number, not str",
            ),
            ("flare.log('a', 1, flare.AnalyticsDataType.IMAGE)", "AnalyticsDataType.IMAGE, of `a`"),
            ("flare.log('a', 1, 'SCALAR')", "expect data_type to be an instance of AnalyticsDataType"),
            ("flare.log('a', 'b', flare.AnalyticsDataType.SCALAR)", "metric `a` must be a number, not str"),
        ]:
            with self.subTest(body):
                self.assertIn(problem, self.told(body))

    def test_what_is_not_covered_is_named(self) -> None:
        for body, problem in [
            ("import nvflare.client.lightning", "cover the module `nvflare.client.lightning`"),
            ("from nvflare.app_opt.pt import x", "cover the module `nvflare.app_opt`"),
            ("from nvflare.client import IPCAgent", "IPCAgent"),
            ("flare.IPCAgent", "does not cover `nvflare.client.IPCAgent`"),
            ("import nvflare; nvflare.job_config", "does not cover `nvflare.job_config`"),
        ]:
            with self.subTest(body):
                self.assertIn(problem, self.told(body))

    def test_a_result_that_is_refused_is_an_error(self) -> None:
        with flare(loop("flare.send(flare.FLModel(params=m.params))")) as site:
            site.give("1", MODEL)
            site.result(refused="the array `w` is not finite")
            code, printed = site.wait()
            self.assertEqual(code, 1)
            self.assertIn("the array `w` is not finite", printed)

    def test_nothing_works_before_init_or_out_of_order(self) -> None:
        for body, problem in [
            ("flare.receive()", "Did you call flare.init()"),
            ("flare.init(); flare.send(flare.FLModel(metrics={}))", '"receive" needs to be called'),
            ("flare.init(rank=1.5)", "rank must be a string or an integer"),
        ]:
            script = f"import nvflare.client as flare\nflare.init(rank='0')\n{body}"
            if "Did you" in problem:
                script = f"import nvflare.client as flare\nimport fedlink.client as c; c.connect()\n{body}"
            with self.subTest(body), flare(script) as site:
                code, printed = site.wait()
                self.assertEqual(code, 1)
                self.assertIn(problem, printed)

    def test_a_site_that_goes_ends_the_loop(self) -> None:
        with flare(loop("pass")) as site:
            site._lines.close()
            site._connection.close()
            self.assertEqual(site.wait()[0], 0)


if __name__ == "__main__":
    unittest.main()
