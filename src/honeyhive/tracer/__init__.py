"""Tracing of one datapoint at a time: `HoneyHiveTracer`."""

from honeyhive.tracer.tracer import HoneyHiveTracer, current_tracer

__all__ = ["HoneyHiveTracer", "current_tracer"]
